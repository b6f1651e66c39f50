/* Which commits of a database are compared. */
#ifndef SB_HARNESS_CLI_BASE_COMMIT_H
#define SB_HARNESS_CLI_BASE_COMMIT_H

#include "results/store/store.h"

enum { SB_COMMIT_BYTES = 80, SB_HOW_BYTES = 256 };

/* The commit of the database that `wanted` names: as it is recorded, by its first characters (at
 * least 4, of one only), or by a name that git in `repo` knows (HEAD, a branch). NULL: the commit
 * of the newest run. Errors: SB_ERR_USAGE, with the commits that there are. */
sb_status sb_commit_find(sb_store *s, const char *path, const char *repo, const char *wanted,
                         char out[SB_COMMIT_BYTES]);

/* The baseline of `of`: its nearest ancestor with runs in the database by git in `repo` (of a dirty
 * tree its own commit first); where git cannot tell, the commit recorded last before the first run
 * of `of`. how says which. Errors: SB_ERR_USAGE where there is none. */
sb_status sb_commit_base(sb_store *s, const char *path, const char *repo, const char *of,
                         char out[SB_COMMIT_BYTES], char how[SB_HOW_BYTES]);

#endif
