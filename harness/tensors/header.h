/* The JSON header of a safetensors file, for the files of this folder. */
#ifndef SB_HARNESS_TENSORS_HEADER_H
#define SB_HARNESS_TENSORS_HEADER_H

#include "harness/tensors/safetensors.h"

/* Parse n bytes of JSON into f's tensors and notes and check them against data_bytes bytes of data
 * that start at byte data_begin of the file. Error texts lack the path: the caller puts it in
 * front. What was made stays in f, also after an error. */
sb_status sbi_header_read(sb_safetensors *f, const char *json, size_t n, int64_t data_begin,
                          int64_t data_bytes);

/* The header as text; its offsets are those of the specs one after the other, *data_bytes their
 * sum. *out is malloc'd. */
sb_status sbi_header_text(const sb_file_spec *specs, int64_t n_specs, const sb_file_pair *notes,
                          int64_t n_notes, char **out, int64_t *data_bytes);

/* A name from a file, safe to print: one line, at most 60 bytes. */
enum { SBI_NAME_BYTES = 72 };
const char *sbi_shown(const char *name, char buf[SBI_NAME_BYTES]);

#endif
