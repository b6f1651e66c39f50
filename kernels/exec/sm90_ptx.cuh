/* Instructions of compute capability 9.0 that CUDA C++ has no name for: barriers in shared memory,
 * tensor copies (TMA), matrix products of a warpgroup (wgmma). Only for code compiled for sm_90a.
 *
 * Layout of an accumulator m64nN, thread t of a warpgroup, warp w = t / 32, lane l: acc[4j + 2i +
 * c] is row 16w + l/4 + 8i, column 8j + 2(l%4) + c. The A operand in registers has the same order,
 * so step t of a product with P takes acc[8t .. 8t+7] as they lie. */
#ifndef SB_KERNELS_EXEC_SM90_PTX_CUH
#define SB_KERNELS_EXEC_SM90_PTX_CUH

#include <cstdint>
#include <cuda.h>

/* ---- barriers ---- */

static __device__ __forceinline__ uint32_t smem_address(const void *p)
{
    return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}
static __device__ __forceinline__ void mbar_init(uint32_t bar, uint32_t count)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(count) : "memory");
}
static __device__ __forceinline__ void mbar_expect(uint32_t bar, uint32_t bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes)
                 : "memory");
}
static __device__ __forceinline__ void mbar_arrive(uint32_t bar)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory");
}
static __device__ __forceinline__ void mbar_wait(uint32_t bar, uint32_t parity)
{
    uint32_t done;
    do {
        asm volatile("{\n.reg .pred p;\n"
                     "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
                     "selp.u32 %0, 1, 0, p;\n}\n"
                     : "=r"(done)
                     : "r"(bar), "r"(parity)
                     : "memory");
    } while (!done);
}
/* This warp is done with a buffer: all lanes' reads come before the one arrival. */
static __device__ __forceinline__ void release(uint32_t bar, int lane)
{
    __syncwarp();
    if (lane == 0)
        mbar_arrive(bar);
}
static __device__ __forceinline__ void named_sync(int id, int n_threads)
{
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(n_threads) : "memory");
}

/* ---- tensor copies: x dims, y tokens, z heads; what lies outside the tensor reads as zero and is
 * not written ---- */

static __device__ __forceinline__ void tma_load(uint32_t dst, const CUtensorMap *map, uint32_t bar,
                                                int x, int y, int z)
{
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
                 " [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(dst),
                 "l"(map), "r"(bar), "r"(x), "r"(y), "r"(z)
                 : "memory");
}
/* The same box into L2 only. */
static __device__ __forceinline__ void tma_prefetch(const CUtensorMap *map, int x, int y, int z)
{
    asm volatile("cp.async.bulk.prefetch.tensor.3d.L2.global.tile [%0, {%1, %2, %3}];" ::"l"(map),
                 "r"(x), "r"(y), "r"(z)
                 : "memory");
}
static __device__ __forceinline__ void tma_store(const CUtensorMap *map, uint32_t src, int x, int y,
                                                 int z)
{
    asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%0, {%2, %3, %4}], "
                 "[%1];" ::"l"(map),
                 "r"(src), "r"(x), "r"(y), "r"(z)
                 : "memory");
}

/* ---- small things ---- */

static __device__ __forceinline__ float ex2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
static __device__ __forceinline__ uint32_t pack_bf16(float lo, float hi)
{
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
}

/* ---- wgmma ---- */

/* Descriptor of a matrix in shared memory with the 128-byte swizzle (bits 62-63 = 1): 16-byte chunk
 * c of row r lies at chunk c ^ (r % 8). In units of 16 bytes: bits 0-13 address, 16-29 leading and
 * 32-45 stride offset. */
static __device__ __forceinline__ uint64_t wgmma_matrix(uint32_t address, uint32_t leading,
                                                        uint32_t stride)
{
    return static_cast<uint64_t>((address & 0x3FFFF) >> 4) |
           (static_cast<uint64_t>(leading >> 4) << 16) |
           (static_cast<uint64_t>(stride >> 4) << 32) | (1ull << 62);
}

#define ACC8(d, i)                                                                                 \
    "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]),    \
        "+f"(d[i + 6]), "+f"(d[i + 7])
#define ACC32(d) ACC8(d, 0), ACC8(d, 8), ACC8(d, 16), ACC8(d, 24)
#define ACC64(d) ACC32(d), ACC8(d, 32), ACC8(d, 40), ACC8(d, 48), ACC8(d, 56)
#define ACC128(d)                                                                                  \
    ACC64(d), ACC8(d, 64), ACC8(d, 72), ACC8(d, 80), ACC8(d, 88), ACC8(d, 96), ACC8(d, 104),       \
        ACC8(d, 112), ACC8(d, 120)
#define REG32                                                                                      \
    "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"   \
    "%25,%26,%27,%28,%29,%30,%31"
#define REG64                                                                                      \
    REG32 ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,"  \
          "%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"

#define REG128                                                                                     \
    REG64 ",%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,"  \
          "%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,%96,%97,%98,%99,%100,%101,%102,%103,%104,"  \
          "%105,%106,%107,%108,%109,%110,%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,"  \
          "%122,%123,%124,%125,%126,%127"

/* d[64 x 128] (+)= a[64 x 16] b[16 x 128]; a in registers, b in shared memory, K-major. */
static __device__ __forceinline__ void wgmma_qk(float (&d)[64], const uint32_t *a, uint64_t b,
                                                int accumulate)
{
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" REG64
                 "}, {%64,%65,%66,%67}, %68, p, 1, 1, 0;\n}\n"
                 : ACC64(d)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate));
}
/* The same with a in shared memory, K-major. */
static __device__ __forceinline__ void wgmma_qk(float (&d)[64], uint64_t a, uint64_t b,
                                                int accumulate)
{
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" REG64
                 "}, %64, %65, p, 1, 1, 0, 0;\n}\n"
                 : ACC64(d)
                 : "l"(a), "l"(b), "r"(accumulate));
}
/* d[64 x 256] (+)= a[64 x 16] b[16 x 256]; both in shared memory, K-major. */
static __device__ __forceinline__ void wgmma_qk(float (&d)[128], uint64_t a, uint64_t b,
                                                int accumulate)
{
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" REG128
                 "}, %128, %129, p, 1, 1, 0, 0;\n}\n"
                 : ACC128(d)
                 : "l"(a), "l"(b), "r"(accumulate));
}
/* d[64 x head_dim] += a[64 x 16] b[16 x head_dim]; b MN-major (transposed). */
static __device__ __forceinline__ void wgmma_pv(float (&d)[64], const uint32_t *a, uint64_t b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" REG64
                 "}, {%64,%65,%66,%67}, %68, 1, 1, 1, 1;\n"
                 : ACC64(d)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
static __device__ __forceinline__ void wgmma_pv(float (&d)[32], const uint32_t *a, uint64_t b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" REG32
                 "}, {%32,%33,%34,%35}, %36, 1, 1, 1, 1;\n"
                 : ACC32(d)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
/* d[64 x 64] (+)= a[64 x 16] b[16 x 64]; a in registers, b in shared memory, K-major. */
static __device__ __forceinline__ void wgmma_qk(float (&d)[32], const uint32_t *a, uint64_t b,
                                                int accumulate)
{
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" REG32
                 "}, {%32,%33,%34,%35}, %36, p, 1, 1, 0;\n}\n"
                 : ACC32(d)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate));
}
static __device__ __forceinline__ void wgmma_fence(void)
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
static __device__ __forceinline__ void wgmma_commit(void)
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/* Wait until at most 0 or 1 groups are in flight. The accumulators are operands, so that the
 * compiler cannot read them early. */
static __device__ __forceinline__ void wgmma_wait_all(float (&d)[64])
{
    asm volatile("wgmma.wait_group.sync.aligned 0;" : ACC64(d) : : "memory");
}
static __device__ __forceinline__ void wgmma_wait_all(float (&d)[32])
{
    asm volatile("wgmma.wait_group.sync.aligned 0;" : ACC32(d) : : "memory");
}
static __device__ __forceinline__ void wgmma_wait_all(float (&d)[128])
{
    asm volatile("wgmma.wait_group.sync.aligned 0;" : ACC128(d) : : "memory");
}
static __device__ __forceinline__ void wgmma_wait_one(float (&d)[128])
{
    asm volatile("wgmma.wait_group.sync.aligned 1;" : ACC128(d) : : "memory");
}
static __device__ __forceinline__ void wgmma_wait_one(float (&d)[64])
{
    asm volatile("wgmma.wait_group.sync.aligned 1;" : ACC64(d) : : "memory");
}

#endif
