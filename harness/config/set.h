/* --set path=value: changes to the tree before it is read, so that a set value is checked exactly
 * as one in the file. */
#ifndef SB_HARNESS_CONFIG_SET_H
#define SB_HARNESS_CONFIG_SET_H

#include "harness/config/tree.h"

/* Put the value of every --set at its path, in order; what is missing on the way is made. A list
 * takes one entry more than it has; `methods[0].gamma` on an entry that is just a name turns it
 * into a mapping with that name. */
void sbi_sets_apply(sbi_ctx *c, sbi_node *root);

#endif
