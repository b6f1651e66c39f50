/* The SQLite that runs, which may be newer than the one compiled against. */
#include <sqlite3.h>

#include "results/store/store.h"

const char *sb_store_library_version(void) { return sqlite3_libversion(); }
