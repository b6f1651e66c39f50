# the generated job in a Slurm of its own: about a minute, mostly waiting for Slurm's clocks
add_test(NAME slurm_job COMMAND ${CMAKE_SOURCE_DIR}/tests/slurm/slurm.sh $<TARGET_FILE:spanbench>)
set_tests_properties(slurm_job PROPERTIES LABELS slurm PROCESSORS 2 TIMEOUT 400 SKIP_RETURN_CODE 77)
add_test(NAME slurm_readme COMMAND ${CMAKE_SOURCE_DIR}/tests/slurm/readme.sh $<TARGET_FILE:spanbench>)
set_tests_properties(slurm_readme PROPERTIES LABELS slurm PROCESSORS 2 TIMEOUT 400 SKIP_RETURN_CODE 77)
add_test(NAME slurm_site_files COMMAND ${CMAKE_SOURCE_DIR}/tests/slurm/site_files.sh $<TARGET_FILE:spanbench> ${CMAKE_BINARY_DIR})
set_tests_properties(slurm_site_files PROPERTIES LABELS slurm TIMEOUT 120)
