# the generated job in a Slurm of its own: about a minute, mostly waiting for Slurm's clocks
add_test(NAME slurm_job COMMAND ${CMAKE_SOURCE_DIR}/tests/slurm/slurm.sh $<TARGET_FILE:spanbench>)
set_tests_properties(slurm_job PROPERTIES LABELS slurm PROCESSORS 2 TIMEOUT 400 SKIP_RETURN_CODE 77)
