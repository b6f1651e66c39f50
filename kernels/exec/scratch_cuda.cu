/* Scratch of the device executors: one pool a device. */
#include <cstdint>
#include <mutex>

#include "kernels/exec/attend_cuda.cuh"

namespace
{
enum { DEVICES = 64 };
std::mutex    lock;
cudaMemPool_t pools[DEVICES];

/* The current device's pool; it never gives memory back by itself. */
sb_status pool_of_device(cudaMemPool_t *out)
{
    std::lock_guard<std::mutex> held(lock);
    int                         device = 0;
    sb_status                   st     = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK && device >= DEVICES)
        st = sb_fail(SB_ERR_UNSUPPORTED, "cuda: found device %d, allowed below %d", device,
                     (int)DEVICES);
    if (st == SB_OK && pools[device] == nullptr) {
        cudaMemPoolProps props    = {};
        uint64_t         keep_all = UINT64_MAX;
        cudaMemPool_t    made     = nullptr;
        props.allocType           = cudaMemAllocationTypePinned;
        props.location.type       = cudaMemLocationTypeDevice;
        props.location.id         = device;
        st                        = SB_CUDA(cudaMemPoolCreate(&made, &props));
        if (st == SB_OK)
            st = SB_CUDA(cudaMemPoolSetAttribute(made, cudaMemPoolAttrReleaseThreshold, &keep_all));
        if (st == SB_OK)
            pools[device] = made;
        else if (made != nullptr)
            (void)cudaMemPoolDestroy(made);
    }
    if (st == SB_OK)
        *out = pools[device];
    return st;
}
} // namespace

sb_status sbi_cuda_scratch(size_t bytes, cudaStream_t stream, void **out)
{
    cudaMemPool_t pool = nullptr;
    sb_status     st   = pool_of_device(&pool);
    return st != SB_OK ? st : SB_CUDA(cudaMallocFromPoolAsync(out, bytes, pool, stream));
}
