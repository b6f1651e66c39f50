# unit tests of harness/plan and of the machine files
foreach(name test_plan_predict test_plan_fit)
  span_test(${name}
    SOURCES unit/harness/plan/${name}.c unit/harness/plan/rig.c
    LINK sb_plan sb_model sb_config sb_methods sb_workloads
    LABELS unit)
endforeach()
span_test(test_machine_file SOURCES unit/harness/config/test_machine_file.c LINK sb_plan sb_model sb_config sb_methods sb_workloads LABELS unit)
