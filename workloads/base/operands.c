#include "workloads/base/operands.h"

#include <stdlib.h>

void sb_operands_destroy(sb_operands *o)
{
    if (o != NULL)
        o->ops->destroy(o);
}
