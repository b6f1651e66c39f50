/* Human text on stderr: "[rank] level: message". Data goes to stdout and never through here. */
#ifndef SB_KERNELS_BASE_LOG_H
#define SB_KERNELS_BASE_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sb_log_level { SB_LOG_ERROR, SB_LOG_WARN, SB_LOG_INFO, SB_LOG_DEBUG, SB_LOG_COUNT } sb_log_level;

/* rank < 0: no prefix (a single process). Messages above `level` are dropped. */
void sb_log_init(int rank, sb_log_level level);
void sb_log(sb_log_level level, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

#ifdef __cplusplus
}
#endif
#endif
