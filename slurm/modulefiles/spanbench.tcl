#%Module1.0
# spanbench for Environment Modules and Lmod. It finds the installation by its own place, so an installed tree may be moved:
#   module use PREFIX/share/spanbench/modulefiles && module load spanbench
# A site that keeps its module files elsewhere copies this file and sets `prefix`.
set prefix [file normalize [file join [file dirname $ModulesCurrentModulefile] .. .. .. ..]]

proc ModulesHelp {} {
    puts stderr "spanbench: measures attention methods on long contexts (spanbench --help, man spanbench)"
}
module-whatis "spanbench: accuracy and latency of attention methods on long contexts"
conflict spanbench

prepend-path PATH    [file join $prefix bin]
prepend-path MANPATH [file join $prefix share man]
setenv SPANBENCH_CONFIGS [file join $prefix share spanbench configs]
setenv SPANBENCH_SITES   [file join $prefix share spanbench sites]
