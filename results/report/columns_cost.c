/* Columns and plots of the sections: what it costs besides time. */
#include "results/report/columns.h"

#include <stddef.h>

const sbi_column sbi_columns_communication[] = {
    {"part", "of", SBI_SHOW_TEXT, SBI_FACET | SBI_BRIEF},
    MODEL,
    INPUT,
    CELL,
    MACHINE,
    SEED,
    DEVICE,
    {"communicator", "communicator", SBI_SHOW_TEXT, SBI_FACET},
    LENGTH,
    METHOD,
    {"received", "received, MiB", SBI_SHOW_MIB, SBI_BRIEF},
    {"sent", "sent", SBI_SHOW_MIB, SBI_BRIEF},
    {"calls", "calls", SBI_SHOW_NUMBER, 0},
    {"exposed_ms", "waits, ms", SBI_SHOW_MS, SBI_BRIEF},
    {"exposed_share", "of the whole", SBI_SHOW_SHARE, SBI_BRIEF},
    {"exposed_lo", "least of a sample", SBI_SHOW_MS, 0},
    {"exposed_hi", "most", SBI_SHOW_MS, 0},
    {"whole_ms", "the whole, ms", SBI_SHOW_MS, 0},
    {"n_samples", "samples", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_tasks", "tasks", SBI_SHOW_COUNT, 0},
    SHARDING,
    {0}};
const sbi_plot sbi_plots_communication[] = {
    {OVER_LENGTH, .title = "Received, most of a rank", .y = "received", .y_title = "MiB",
     .scale = 1.0 / 1048576, .flags = SBI_LOG_Y},
    {OVER_LENGTH, .title = "Waits that nothing hides", .y = "exposed_ms", .y_title = "ms",
     .lo = "exposed_lo", .hi = "exposed_hi", .n = "n_samples", .scale = 1, .flags = SBI_LOG_Y},
    {0}};

const sbi_column sbi_columns_balance[] = {
    MODEL,
    INPUT,
    CELL,
    MACHINE,
    SEED,
    LENGTH,
    METHOD,
    {"imbalance", "most / mean", SBI_SHOW_NUMBER, SBI_BRIEF},
    {"step_imbalance", "in steps", SBI_SHOW_NUMBER, SBI_BRIEF},
    {"lpt_imbalance", "dealt out greedily", SBI_SHOW_NUMBER, SBI_BRIEF},
    {"phi", "others' keys needed", SBI_SHOW_SHARE, SBI_BRIEF},
    {"fetched", "layers that fetch these alone", SBI_SHOW_SHARE, 0},
    {"n_samples", "samples", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_tasks", "tasks", SBI_SHOW_COUNT, 0},
    SHARDING,
    {0}};

const sbi_column sbi_columns_memory[] = {MODEL,
                                         CELL,
                                         MACHINE,
                                         LENGTH,
                                         METHOD,
                                         {"arena", "own buffers, MiB", SBI_SHOW_MIB, SBI_BRIEF},
                                         {"predicted", "predicted", SBI_SHOW_MIB, SBI_BRIEF},
                                         {"device", "on the device", SBI_SHOW_MIB, SBI_BRIEF},
                                         {"rss", "process", SBI_SHOW_MIB, SBI_BRIEF},
                                         {"n_samples", "samples", SBI_SHOW_COUNT, 0},
                                         SHARDING,
                                         {0}};
const sbi_plot   sbi_plots_memory[]   = {
        {OVER_LENGTH, .title = "Own buffers, most of a rank", .y = "arena", .y_title = "MiB",
         .scale = 1.0 / 1048576, .flags = SBI_LOG_Y},
        {OVER_LENGTH, .title = "Device memory, most of a rank", .y = "device", .y_title = "MiB",
         .scale = 1.0 / 1048576, .flags = SBI_LOG_Y},
        {0}};

const sbi_column sbi_columns_energy[] = {
    {"part", "of", SBI_SHOW_TEXT, SBI_FACET | SBI_BRIEF},
    MODEL,
    INPUT,
    CELL,
    MACHINE,
    SEED,
    {"device", "device", SBI_SHOW_TEXT, SBI_FACET},
    LENGTH,
    METHOD,
    {"joules", "a repetition, J", SBI_SHOW_NUMBER, SBI_BRIEF},
    {"above_idle_joules", "above idle, J", SBI_SHOW_NUMBER, SBI_BRIEF},
    {"error", "within", SBI_SHOW_SHARE, SBI_BRIEF},
    {"mj_per_token", "a token, mJ", SBI_SHOW_NUMBER, 0},
    {"watts", "power, W", SBI_SHOW_NUMBER, SBI_BRIEF},
    {"idle_watts", "idle, W", SBI_SHOW_NUMBER, 0},
    {"n", "repetitions", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_samples", "samples", SBI_SHOW_COUNT, 0},
    {"n_tasks", "tasks", SBI_SHOW_COUNT, 0},
    {"joules_lo", "", SBI_SHOW_NUMBER, SBI_QUIET},
    {"joules_hi", "", SBI_SHOW_NUMBER, SBI_QUIET},
    SHARDING,
    {0}};
const sbi_plot sbi_plots_energy[] = {{OVER_LENGTH, .title = "Energy of one repetition",
                                      .y = "joules", .y_title = "J", .lo = "joules_lo",
                                      .hi = "joules_hi", .n = "n", .scale = 1, .flags = SBI_LOG_Y},
                                     {0}};
