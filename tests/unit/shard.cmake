# unit tests of harness/shard: the maps, and the collective cases of tests/mpi on one thread a rank
span_test(test_shard_map SOURCES unit/harness/shard/test_map.c LINK sb_shard LABELS unit)
span_test(test_shard_deal SOURCES unit/harness/shard/test_deal.c LINK sb_shard sb_methods LABELS unit)
span_test(test_shard_need SOURCES unit/harness/shard/test_need.c LINK sb_shard LABELS unit)
span_test(test_comm_self SOURCES unit/harness/comm/test_self.c LINK sb_comm_impl LABELS unit)
