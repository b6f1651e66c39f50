# tests of property
# properties of the attention methods on the CPU, from section 10 of their specs
span_test(test_power_attention SOURCES property/test_power_attention.c property/graph.c LINK test_oracle)
span_test(test_a_shape SOURCES property/test_a_shape.c property/window_methods.c LINK test_oracle)
span_test(test_streaming_llm SOURCES property/test_streaming_llm.c property/window_methods.c LINK test_oracle)
span_test(test_minference_lists SOURCES property/test_minference_lists.c LINK test_oracle)
span_test(test_minference SOURCES property/test_minference.c LINK test_oracle)
span_test(test_xattention SOURCES property/test_xattention.c property/xattention_judge.c LINK test_oracle)
span_test(test_anchor_attention SOURCES property/test_anchor_attention.c property/anchor_judge.c LINK test_oracle)
foreach(name test_pbs_attn test_pbs_attn_output)
  span_test(${name} SOURCES property/${name}.c property/pbs_case.c property/pbs_judge.c LINK test_oracle)
endforeach()
span_test(test_estimate_flops SOURCES property/test_estimate_flops.c LINK test_oracle)
span_test(test_flexprefill
  SOURCES property/test_flexprefill.c property/flex_rig.c property/flexprefill_judge.c
  LINK test_oracle)
span_test(test_flexprefill_calls SOURCES property/test_flexprefill_calls.c property/flex_rig.c LINK test_oracle)
span_test(test_flexprefill_parts SOURCES property/test_flexprefill_parts.c property/flex_rig.c LINK test_oracle)
foreach(part hip hip_tree hip_decode)
  span_test(test_${part} SOURCES property/test_${part}.c property/hip_case.c property/hip_judge.c LINK test_oracle)
endforeach()
span_test(test_lightning SOURCES property/test_lightning.c LINK test_oracle)
span_test(test_linear SOURCES property/test_linear.c LINK test_oracle)
span_test(test_index_stats SOURCES property/test_index_stats.c LINK test_oracle)
span_test(test_row_metrics SOURCES property/test_row_metrics.c LINK test_oracle)
foreach(part quality quality_sampled)
  span_test(test_${part} SOURCES property/test_${part}.c property/quality_case.c
            LINK sb_run sb_comm_impl test_oracle sb_methods LABELS property)
endforeach()
