/* The libyaml that runs. */
#include <yaml.h>

#include "harness/config/sweep.h"

const char *sb_sweep_library_version(void) { return yaml_get_version_string(); }
