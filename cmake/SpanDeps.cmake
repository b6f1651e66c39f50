# Libraries by pkg-config. CMAKE_PREFIX_PATH is searched first, so prefixes work without root, static or shared. What is missing is
# collected and named all at once, with the Debian package that has it.
set(PKG_CONFIG_USE_CMAKE_PREFIX_PATH ON)
find_package(PkgConfig QUIET)
if(NOT PKG_CONFIG_FOUND)
  message(FATAL_ERROR "spanbench needs pkg-config to find its libraries (Debian package pkg-config).")
endif()

set(SPAN_MISSING "")          # lines of text
set(SPAN_MISSING_PACKAGES "") # Debian package names
set(SPAN_VERSIONS "")         # "sqlite3 3.40.1, ..." for the summary

macro(span_missing what package)
  string(APPEND SPAN_MISSING "\n  ${what}  (Debian package ${package})")
  list(APPEND SPAN_MISSING_PACKAGES ${package})
endmacro()

# Full path of lib<name>.a, or the plain name: parts of the C library stay shared, and so does what has no archive. Empty when there
# is neither: SQLite's pkg-config file names zlib, which only its shell uses and its Debian package does not bring.
function(span_archive out name dirs)
  set(found ${name})
  if(NOT name MATCHES "^(c|m|dl|rt|pthread|gcc|gcc_s)$")
    find_library(SPAN_ARCHIVE_${name} NAMES lib${name}.a ${name} HINTS ${dirs})
    mark_as_advanced(SPAN_ARCHIVE_${name})
    set(found ${SPAN_ARCHIVE_${name}})
    if(NOT found)
      set(found "")
    endif()
  endif()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# span_dep(TARGET "pkg-config name[>=version]" debian-package) makes the library dep_TARGET.
macro(span_dep target module package)
  pkg_check_modules(${target} QUIET IMPORTED_TARGET "${module}")
  if(${target}_FOUND)
    add_library(dep_${target} INTERFACE)
    string(REGEX REPLACE ">=.*" "" span_name "${module}")
    string(APPEND SPAN_VERSIONS "${span_name} ${${target}_VERSION}, ")
    set(SPAN_DEP_${target}_VERSION ${${target}_VERSION})
    if(SPAN_STATIC_DEPS)
      target_include_directories(dep_${target} SYSTEM INTERFACE ${${target}_STATIC_INCLUDE_DIRS})
      foreach(lib ${${target}_STATIC_LIBRARIES})
        span_archive(archive ${lib} "${${target}_STATIC_LIBRARY_DIRS}")
        target_link_libraries(dep_${target} INTERFACE ${archive})
      endforeach()
      target_link_options(dep_${target} INTERFACE ${${target}_STATIC_LDFLAGS_OTHER})
    else()
      target_link_libraries(dep_${target} INTERFACE PkgConfig::${target})
    endif()
  else()
    span_missing("${module}" ${package})
  endif()
endmacro()

span_dep(sqlite "sqlite3>=3.37" libsqlite3-dev) # STRICT tables
span_dep(yaml yaml-0.1 libyaml-dev)
span_dep(jansson jansson libjansson-dev)
span_dep(crypto libcrypto libssl-dev)
span_dep(xxhash libxxhash libxxhash-dev)
span_dep(pcre2 libpcre2-8 libpcre2-dev)
span_dep(utf8proc libutf8proc libutf8proc-dev)
if(SPAN_TESTS)
  span_dep(check check check)
endif()

# libcsv brings no pkg-config file
find_path(SPAN_CSV_INCLUDE csv.h)
find_library(SPAN_CSV_LIBRARY csv)
mark_as_advanced(SPAN_CSV_INCLUDE SPAN_CSV_LIBRARY)
if(SPAN_CSV_INCLUDE AND SPAN_CSV_LIBRARY)
  file(STRINGS ${SPAN_CSV_INCLUDE}/csv.h span_csv REGEX "define CSV_(MAJOR|MINOR|RELEASE) ")
  string(REGEX REPLACE "[^0-9;]" "" span_csv "${span_csv}")
  list(JOIN span_csv "." SPAN_DEP_csv_VERSION)
  string(APPEND SPAN_VERSIONS "csv ${SPAN_DEP_csv_VERSION}, ")
  add_library(dep_csv INTERFACE)
  target_include_directories(dep_csv SYSTEM INTERFACE ${SPAN_CSV_INCLUDE})
  if(SPAN_STATIC_DEPS)
    get_filename_component(span_csv_dir ${SPAN_CSV_LIBRARY} DIRECTORY)
    span_archive(span_csv_archive csv ${span_csv_dir})
    target_link_libraries(dep_csv INTERFACE ${span_csv_archive})
  else()
    target_link_libraries(dep_csv INTERFACE ${SPAN_CSV_LIBRARY})
  endif()
else()
  span_missing("csv.h and libcsv" libcsv-dev)
endif()

find_package(MPI QUIET COMPONENTS C)
if(NOT MPI_C_FOUND)
  span_missing("MPI for C (mpicc)" libopenmpi-dev)
endif()
find_package(OpenMP QUIET COMPONENTS C)
if(NOT OpenMP_C_FOUND)
  if(CMAKE_C_COMPILER_ID MATCHES "Clang")
    span_missing("OpenMP for ${CMAKE_C_COMPILER_ID}" libomp-dev)
  else()
    span_missing("OpenMP for ${CMAKE_C_COMPILER_ID}" gcc)
  endif()
endif()
find_package(Threads REQUIRED)

if(SPAN_MISSING)
  list(JOIN SPAN_MISSING_PACKAGES " " packages)
  message(FATAL_ERROR "spanbench needs what was not found:${SPAN_MISSING}\n"
    "Either  apt-get install ${packages}\n"
    "or name the prefixes that hold them:  -DCMAKE_PREFIX_PATH=\"PREFIX1;PREFIX2\"\n"
    "(./quickstart.sh installs what the program needs, ./tests/run.sh what tests need, too; -DSPAN_TESTS=OFF does without Check.)\n")
endif()
