# cmake --install BUILD [--prefix DIR]: the program, its example sweeps, the readme.
include(GNUInstallDirs)
install(TARGETS spanbench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/spanbench/configs FILES_MATCHING PATTERN "*.yaml" PATTERN "*.json" PATTERN "LICENSE.txt" PATTERN "NOTICE.txt")
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The manual page is what --help says, so it is made by the program. A build of the program alone (quickstart.sh) has none.
set(span_man ${CMAKE_BINARY_DIR}/spanbench.1)
add_custom_command(
  OUTPUT ${span_man}
  COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:spanbench> -DOUT=${span_man} -DVERSION=${PROJECT_VERSION} -P ${CMAKE_SOURCE_DIR}/cmake/man.cmake
  DEPENDS spanbench ${CMAKE_SOURCE_DIR}/cmake/man.cmake
  VERBATIM)
add_custom_target(man ALL DEPENDS ${span_man})
install(FILES ${span_man} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL)

# For sites: module file, example site file, container definition.
install(FILES slurm/modulefiles/spanbench.tcl DESTINATION ${CMAKE_INSTALL_DATADIR}/spanbench/modulefiles/spanbench RENAME ${PROJECT_VERSION})
install(DIRECTORY slurm/sites/ DESTINATION ${CMAKE_INSTALL_DATADIR}/spanbench/sites)
