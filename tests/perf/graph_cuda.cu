#include <cstdio>
#include <cstdlib>
#include <cuda_runtime.h>

#include "tests/perf/graph.h"

static void must(cudaError_t e, const char *what)
{
    if (e == cudaSuccess)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(e));
    exit(1);
}

extern "C" void *bench_stream_open(void)
{
    cudaStream_t s;
    must(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), "stream");
    return s;
}

extern "C" void bench_stream_wait(void *stream)
{
    must(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "wait");
}

extern "C" void bench_stream_close(void *stream)
{
    must(cudaStreamDestroy(static_cast<cudaStream_t>(stream)), "stream");
}

extern "C" void *bench_graph_capture(void *stream, void (*work)(void *arg), void *arg)
{
    cudaStream_t    s = static_cast<cudaStream_t>(stream);
    cudaGraph_t     graph;
    cudaGraphExec_t exec;
    must(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed), "begin of capture");
    work(arg);
    must(cudaStreamEndCapture(s, &graph), "end of capture");
    must(cudaGraphInstantiate(&exec, graph, 0), "graph");
    must(cudaGraphDestroy(graph), "graph");
    return exec;
}

extern "C" void bench_graph_launch(void *graph, void *stream)
{
    must(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), static_cast<cudaStream_t>(stream)),
         "launch");
}

extern "C" void bench_graph_close(void *graph)
{
    must(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)), "graph");
}
