/* Inside the suite: a sample's identity. */
#ifndef SB_WORKLOADS_RULER_SAMPLE_H
#define SB_WORKLOADS_RULER_SAMPLE_H

#include "workloads/ruler/ruler.h"

sb_status sbi_sample_hash(sb_ruler_sample *s); /* fills sha256 from prompt, cut and answers */

#endif
