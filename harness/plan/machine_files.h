/* The machine files in the program: zero-terminated text, written by the build. */
#ifndef SB_HARNESS_PLAN_MACHINE_FILES_H
#define SB_HARNESS_PLAN_MACHINE_FILES_H

extern const char sbi_machine_h100[];
extern const char sbi_machine_epyc_milan[];

#endif
