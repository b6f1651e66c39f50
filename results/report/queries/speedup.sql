SELECT model, input, ranks, cell, decode, backend, dtype, seed, length, method, sharding, n_tasks, n, attention_x, attention_lo,
       attention_hi, prefill_x, prefill_lo, prefill_hi, compute_x, ideal_speedup, density, recall, dense_mfu, dense_impl,
       attention_norm_x, mfu, achieved_tflops, n_samples, n_fallback, reason
  FROM speed
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, instr(method, 'dense' || char(31)) <> 1, 10, 11, place;
