/* A stream of its own and graphs on it, for benchmarks. A failure prints its text and ends the
 * program. */
#ifndef SB_TESTS_PERF_GRAPH_H
#define SB_TESTS_PERF_GRAPH_H

#ifdef __cplusplus
extern "C" {
#endif

void *bench_stream_open(void);
void  bench_stream_wait(void *stream);
void  bench_stream_close(void *stream);

/* What work(arg) queues on the stream, as a graph: to be launched there, and closed. */
void *bench_graph_capture(void *stream, void (*work)(void *arg), void *arg);
void  bench_graph_launch(void *graph, void *stream);
void  bench_graph_close(void *graph);

#ifdef __cplusplus
}
#endif

#endif
