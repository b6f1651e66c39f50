#include "kernels/exec/cudnn_graph.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_OPS = 24, MAX_ENGINES = 16, ALIGNMENT_BYTES = 16 };

/* A graph under construction: the first failure stays, later calls do nothing. */
typedef struct builder {
    const sbi_cudnn         *lib;
    sbi_cudnn_plan          *to; /* keeps every descriptor */
    cudnnBackendDescriptor_t op[MAX_OPS];
    int64_t                  n_ops, next_uid;
    sb_status                st;
} builder;

typedef cudnnBackendDescriptor_t desc;

static desc create(builder *b, cudnnBackendDescriptorType_t type, const char *what)
{
    desc d = NULL;
    if (b->st != SB_OK)
        return NULL;
    if (b->to->n_parts == (int32_t)(sizeof b->to->part / sizeof *b->to->part)) {
        b->st = sb_fail(SB_ERR_INTERNAL, "cudnn: the graph has too many parts");
        return NULL;
    }
    b->st = sbi_cudnn_status(b->lib, b->lib->BackendCreateDescriptor(type, &d), what);
    if (b->st == SB_OK)
        b->to->part[b->to->n_parts++] = d;
    return b->st == SB_OK ? d : NULL;
}

static void set(builder *b, desc d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *v, const char *what)
{
    if (b->st == SB_OK)
        b->st = sbi_cudnn_status(b->lib, b->lib->BackendSetAttribute(d, name, type, n, v), what);
}

static void set_desc(builder *b, desc d, cudnnBackendAttributeName_t name, desc v)
{
    set(b, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &v, "linking the graph");
}

static void finalize(builder *b, desc d, const char *what)
{
    if (b->st == SB_OK)
        b->st = sbi_cudnn_status(b->lib, b->lib->BackendFinalize(d), what);
}

/* ---- tensors ---- */

typedef struct tensor {
    int64_t         dim[4], stride[4];
    cudnnDataType_t dtype;
} tensor;

enum { IN_MEMORY, IS_VIRTUAL, HOST_VALUE };

static desc put_tensor(builder *b, const tensor *t, int64_t uid, int kind)
{
    bool    is_virtual = kind == IS_VIRTUAL, by_value = kind == HOST_VALUE;
    int64_t alignment = ALIGNMENT_BYTES;
    desc    d         = create(b, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "a tensor");
    set(b, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid, "tensor id");
    set(b, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &t->dtype, "tensor type");
    set(b, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, t->dim, "tensor dimensions");
    set(b, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, t->stride, "tensor strides");
    set(b, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment, "alignment");
    set(b, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual, "tensor kind");
    set(b, d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &by_value, "tensor kind");
    finalize(b, d, "a tensor");
    return d;
}

static desc virtual_tensor(builder *b, const tensor *like, cudnnDataType_t dtype)
{
    tensor t = *like;
    t.dtype  = dtype;
    return put_tensor(b, &t, b->next_uid++, IS_VIRTUAL);
}

static desc value(builder *b, int64_t uid, cudnnDataType_t dtype)
{
    tensor t = {{1, 1, 1, 1}, {1, 1, 1, 1}, dtype};
    return put_tensor(b, &t, uid, HOST_VALUE);
}

static tensor rows(int64_t heads, int64_t n, int64_t dim, int64_t head_stride)
{
    return (tensor){
        {1, heads, n, dim}, {heads * head_stride, head_stride, dim, 1}, CUDNN_DATA_BFLOAT16};
}

/* ---- operations ---- */

static void add_op(builder *b, desc op, const char *what)
{
    finalize(b, op, what);
    if (b->st == SB_OK && b->n_ops == MAX_OPS)
        b->st = sb_fail(SB_ERR_INTERNAL, "cudnn: the graph has too many operations");
    if (b->st == SB_OK)
        b->op[b->n_ops++] = op;
}

/* y = mode(x, arg, mask); arg and mask may be NULL. axis: of GEN_INDEX, else -1. */
static void pointwise(builder *b, cudnnPointwiseMode_t mode, cudnnDataType_t compute, int64_t axis,
                      desc x, desc arg, desc mask, desc y)
{
    desc p = create(b, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "a pointwise step");
    set(b, p, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode, "pointwise mode");
    set(b, p, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute, "pointwise type");
    if (axis >= 0)
        set(b, p, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, 1, &axis, "pointwise axis");
    finalize(b, p, "a pointwise step");
    desc op = create(b, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "a pointwise operation");
    set_desc(b, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, p);
    set_desc(b, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (arg != NULL)
        set_desc(b, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, arg);
    if (mask != NULL)
        set_desc(b, op, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, mask);
    set_desc(b, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    add_op(b, op, "a pointwise operation");
}

static void reduce(builder *b, cudnnReduceTensorOp_t how, desc x, desc y)
{
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    desc            r       = create(b, CUDNN_BACKEND_REDUCTION_DESCRIPTOR, "a reduction");
    set(b, r, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &how,
        "reduction");
    set(b, r, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute, "reduction type");
    finalize(b, r, "a reduction");
    desc op = create(b, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, "a reduction");
    set_desc(b, op, CUDNN_ATTR_OPERATION_REDUCTION_DESC, r);
    set_desc(b, op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
    set_desc(b, op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
    add_op(b, op, "a reduction");
}

static void matmul(builder *b, desc x, desc y, desc to)
{
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    desc            m       = create(b, CUDNN_BACKEND_MATMUL_DESCRIPTOR, "a product");
    set(b, m, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute, "product type");
    finalize(b, m, "a product");
    desc op = create(b, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, "a product");
    set_desc(b, op, CUDNN_ATTR_OPERATION_MATMUL_DESC, m);
    set_desc(b, op, CUDNN_ATTR_OPERATION_MATMUL_ADESC, x);
    set_desc(b, op, CUDNN_ATTR_OPERATION_MATMUL_BDESC, y);
    set_desc(b, op, CUDNN_ATTR_OPERATION_MATMUL_CDESC, to);
    add_op(b, op, "a product");
}

/* ---- the attention ---- */

/* where(row + n_k - n_q >= column, scores, -inf) */
static desc masked(builder *b, const sbi_cudnn_shape *s, const tensor *p, desc scores)
{
    desc row = virtual_tensor(b, p, CUDNN_DATA_INT32), col = virtual_tensor(b, p, CUDNN_DATA_INT32);
    pointwise(b, CUDNN_POINTWISE_GEN_INDEX, CUDNN_DATA_FLOAT, 2, scores, NULL, NULL, row);
    pointwise(b, CUDNN_POINTWISE_GEN_INDEX, CUDNN_DATA_FLOAT, 3, scores, NULL, NULL, col);
    if (s->n_q != s->n_k) { /* the last query sees the last key */
        desc later = virtual_tensor(b, p, CUDNN_DATA_INT32),
             moved = virtual_tensor(b, p, CUDNN_DATA_INT32);
        pointwise(b, CUDNN_POINTWISE_ADD, CUDNN_DATA_INT32, -1, row,
                  value(b, SBI_CUDNN_N_K, CUDNN_DATA_INT32), NULL, later);
        pointwise(b, CUDNN_POINTWISE_SUB, CUDNN_DATA_INT32, -1, later,
                  value(b, SBI_CUDNN_N_Q, CUDNN_DATA_INT32), NULL, moved);
        row = moved;
    }
    desc seen = virtual_tensor(b, p, CUDNN_DATA_BOOLEAN),
         out  = virtual_tensor(b, p, CUDNN_DATA_FLOAT);
    pointwise(b, CUDNN_POINTWISE_CMP_GE, CUDNN_DATA_BOOLEAN, -1, row, col, NULL, seen);
    pointwise(b, CUDNN_POINTWISE_BINARY_SELECT, CUDNN_DATA_FLOAT, -1, scores,
              value(b, SBI_CUDNN_NEG_INF, CUDNN_DATA_FLOAT), seen, out);
    return out;
}

/* P in bf16, as the product with V takes it; lse = max + log(sum). */
static desc softmax(builder *b, const sbi_cudnn_shape *s, const tensor *p, desc scores)
{
    const tensor row = {
        {1, s->heads, s->n_q, 1}, {s->heads * s->n_q, s->n_q, 1, 1}, CUDNN_DATA_FLOAT};
    desc most = virtual_tensor(b, &row, CUDNN_DATA_FLOAT),
         sum  = virtual_tensor(b, &row, CUDNN_DATA_FLOAT),
         log  = virtual_tensor(b, &row, CUDNN_DATA_FLOAT);
    desc less = virtual_tensor(b, p, CUDNN_DATA_FLOAT), e = virtual_tensor(b, p, CUDNN_DATA_FLOAT),
         out = virtual_tensor(b, p, CUDNN_DATA_BFLOAT16);
    desc lse = put_tensor(b, &row, SBI_CUDNN_LSE, IN_MEMORY);
    reduce(b, CUDNN_REDUCE_TENSOR_MAX, scores, most);
    pointwise(b, CUDNN_POINTWISE_SUB, CUDNN_DATA_FLOAT, -1, scores, most, NULL, less);
    pointwise(b, CUDNN_POINTWISE_EXP, CUDNN_DATA_FLOAT, -1, less, NULL, NULL, e);
    reduce(b, CUDNN_REDUCE_TENSOR_ADD, e, sum);
    pointwise(b, CUDNN_POINTWISE_LOG, CUDNN_DATA_FLOAT, -1, sum, NULL, NULL, log);
    pointwise(b, CUDNN_POINTWISE_ADD, CUDNN_DATA_FLOAT, -1, most, log, NULL, lse);
    pointwise(b, CUDNN_POINTWISE_DIV, CUDNN_DATA_FLOAT, -1, e, sum, NULL, out);
    return out;
}

static void attention(builder *b, const sbi_cudnn_shape *s)
{
    tensor q        = rows(s->heads, s->n_q, s->dim, s->q_head_stride),
           k        = rows(s->kv_heads, s->n_k, s->dim, s->k_head_stride),
           v        = rows(s->kv_heads, s->n_k, s->dim, s->v_head_stride),
           o        = rows(s->heads, s->n_q, s->dim, s->o_head_stride);
    const tensor p  = {{1, s->heads, s->n_q, s->n_k},
                       {s->heads * s->n_q * s->n_k, s->n_q * s->n_k, s->n_k, 1},
                       CUDNN_DATA_FLOAT};
    tensor       kt = k;
    kt.dim[2]       = k.dim[3];
    kt.dim[3]       = k.dim[2];
    kt.stride[2]    = k.stride[3];
    kt.stride[3]    = k.stride[2];
    desc scores     = virtual_tensor(b, &p, CUDNN_DATA_FLOAT),
         scaled     = virtual_tensor(b, &p, CUDNN_DATA_FLOAT);
    matmul(b, put_tensor(b, &q, SBI_CUDNN_Q, IN_MEMORY), put_tensor(b, &kt, SBI_CUDNN_K, IN_MEMORY),
           scores);
    pointwise(b, CUDNN_POINTWISE_MUL, CUDNN_DATA_FLOAT, -1, scores,
              value(b, SBI_CUDNN_SCALE, CUDNN_DATA_FLOAT), NULL, scaled);
    desc probabilities = softmax(b, s, &p, masked(b, s, &p, scaled));
    matmul(b, probabilities, put_tensor(b, &v, SBI_CUDNN_V, IN_MEMORY),
           put_tensor(b, &o, SBI_CUDNN_O, IN_MEMORY));
}

/* ---- engines ---- */

/* Engine configurations by cuDNN's own ranking. *n: how many there are. */
static void rank_engines(builder *b, desc graph, cudnnBackendHeurMode_t mode, desc *config,
                         int64_t *n)
{
    desc h = create(b, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "asking for engines");
    set_desc(b, h, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set(b, h, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode, "asking for engines");
    finalize(b, h, "asking for engines");
    for (int i = 0; i < MAX_ENGINES; i++)
        config[i] = create(b, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "an engine");
    if (b->st == SB_OK)
        b->st = sbi_cudnn_status(b->lib,
                                 b->lib->BackendGetAttribute(h, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                             CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                                             MAX_ENGINES, n, config),
                                 "asking for engines");
}

/* Of the engine that the plan took; -1 where it does not tell. */
static int64_t engine_number(const sbi_cudnn *lib, desc config)
{
    desc    engine = NULL;
    int64_t n = 0, number = -1;
    if (lib->BackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) !=
        CUDNN_STATUS_SUCCESS)
        return -1;
    if (lib->BackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                 1, &n, &engine) == CUDNN_STATUS_SUCCESS)
        (void)lib->BackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1,
                                       &n, &number);
    (void)lib->BackendDestroyDescriptor(engine);
    return number;
}

/* A plan of one configuration; the builder's state is not touched. */
static sb_status try_engine(const sbi_cudnn *lib, cudnnHandle_t handle, desc config,
                            sbi_cudnn_plan *to)
{
    desc      plan = NULL;
    int64_t   n    = 0;
    sb_status st   = sbi_cudnn_status(
          lib, lib->BackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan),
          "a plan");
    if (st == SB_OK)
        st = sbi_cudnn_status(lib,
                              lib->BackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE,
                                                       CUDNN_TYPE_HANDLE, 1, &handle),
                              "a plan");
    if (st == SB_OK)
        st =
            sbi_cudnn_status(lib,
                             lib->BackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                                      CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config),
                             "a plan");
    if (st == SB_OK)
        st = sbi_cudnn_status(lib, lib->BackendFinalize(plan), "a plan");
    if (st == SB_OK)
        st = sbi_cudnn_status(
            lib,
            lib->BackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                     CUDNN_TYPE_INT64, 1, &n, &to->workspace_bytes),
            "its workspace");
    if (st != SB_OK) {
        if (plan != NULL)
            (void)lib->BackendDestroyDescriptor(plan);
        return st;
    }
    to->plan   = plan;
    to->engine = engine_number(lib, config);
    return SB_OK;
}

sb_status sbi_cudnn_plan_create(const sbi_cudnn *lib, cudnnHandle_t handle,
                                const sbi_cudnn_shape *shape, sbi_cudnn_plan *out)
{
    sbi_cudnn_plan made = {0};
    builder        b    = {.lib = lib, .to = &made, .next_uid = SBI_CUDNN_FIRST_VIRTUAL};
    desc           config[MAX_ENGINES];
    int64_t        n = 0;
    attention(&b, shape);
    desc graph = create(&b, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "the graph");
    set(&b, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle, "the graph");
    set(&b, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, b.n_ops, b.op,
        "the graph");
    finalize(&b, graph, "the graph");
    rank_engines(&b, graph, CUDNN_HEUR_MODE_A, config, &n);
    sb_status st = b.st;
    if (st == SB_OK && n == 0)
        st = sb_fail(SB_ERR_UNSUPPORTED, "cudnn: no engine takes this attention on this device");
    for (int64_t i = 0; i < n && made.plan == NULL; i++)
        st = try_engine(lib, handle, config[i], &made);
    if (st != SB_OK) {
        sbi_cudnn_plan_destroy(lib, &made);
        return st;
    }
    *out = made;
    return SB_OK;
}

void sbi_cudnn_plan_destroy(const sbi_cudnn *lib, sbi_cudnn_plan *p)
{
    if (p->plan != NULL)
        (void)lib->BackendDestroyDescriptor(p->plan);
    while (p->n_parts > 0)
        (void)lib->BackendDestroyDescriptor(p->part[--p->n_parts]);
    *p = (sbi_cudnn_plan){0};
}
