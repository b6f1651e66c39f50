# cmake --install BUILD [--prefix DIR]: the program, its example sweeps, the readme.
include(GNUInstallDirs)
install(TARGETS spanbench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/spanbench/configs FILES_MATCHING PATTERN "*.yaml" PATTERN "*.json" PATTERN "LICENSE.txt" PATTERN "NOTICE.txt")
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
