#include "kernels/backend/cuda_stream.h"

#include <mutex>

namespace
{
enum { DEVICES = 64 };
std::mutex lock;
struct own {
    bool         is_made;
    cudaStream_t stream;
} owns[DEVICES];
} // namespace

cudaStream_t sb_cuda_stream(void *stream)
{
    int device = 0;
    if (stream != nullptr)
        return static_cast<cudaStream_t>(stream);
    if (cudaGetDevice(&device) != cudaSuccess || device >= DEVICES) {
        (void)cudaGetLastError();
        return nullptr;
    }
    std::lock_guard<std::mutex> held(lock);
    own                        *o = &owns[device];
    if (!o->is_made &&
        cudaStreamCreateWithFlags(&o->stream, cudaStreamNonBlocking) != cudaSuccess) {
        (void)cudaGetLastError();
        o->stream = nullptr;
    }
    o->is_made = true;
    return o->stream;
}
