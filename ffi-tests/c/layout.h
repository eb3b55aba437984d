/* The shape of every structure and type of the header, as the first version fixed it: callers compiled then still call
 * today's library. Included by c/layout.c and cpp/layout.cpp. */
#ifndef LAYOUT_H
#define LAYOUT_H
#include <stddef.h>

#include "quiescent.h"

#ifdef __cplusplus
#define ASSERT_LAYOUT(claim) static_assert(claim, #claim)
#else
#define ASSERT_LAYOUT(claim) _Static_assert(claim, #claim)
#endif

/* STRUCTURE(name, size) and MEMBER(structure, name, offset, size): 64-bit targets. */
#define LAYOUT(STRUCTURE, MEMBER)                     \
    STRUCTURE(qz_guard, 8)                            \
    MEMBER(qz_guard, word, 0, 8)                      \
    STRUCTURE(qz_rundown, 8)                          \
    MEMBER(qz_rundown, word, 0, 8)                    \
    STRUCTURE(qz_kind_ops, 32)                        \
    MEMBER(qz_kind_ops, struct_size, 0, 8)            \
    MEMBER(qz_kind_ops, on_close, 8, 8)               \
    MEMBER(qz_kind_ops, on_destroy, 16, 8)            \
    MEMBER(qz_kind_ops, ctx, 24, 8)                   \
    STRUCTURE(qz_handle_info, 88)                     \
    MEMBER(qz_handle_info, state, 0, 4)               \
    MEMBER(qz_handle_info, in_flight, 4, 4)           \
    MEMBER(qz_handle_info, holds, 8, 4)               \
    MEMBER(qz_handle_info, reserved, 12, 4)           \
    MEMBER(qz_handle_info, age_ms, 16, 8)             \
    MEMBER(qz_handle_info, kind, 24, 32)              \
    MEMBER(qz_handle_info, label, 56, 32)             \
    STRUCTURE(qz_occupant, 88)                        \
    MEMBER(qz_occupant, thread_id, 0, 8)              \
    MEMBER(qz_occupant, since_ms, 8, 8)               \
    MEMBER(qz_occupant, thread_name, 16, 16)          \
    MEMBER(qz_occupant, operation, 32, 40)            \
    MEMBER(qz_occupant, is_hold, 72, 4)               \
    MEMBER(qz_occupant, has_ended, 76, 4)             \
    MEMBER(qz_occupant, is_waiting, 80, 4)            \
    MEMBER(qz_occupant, reserved, 84, 4)              \
    STRUCTURE(qz_stats, 152)                          \
    MEMBER(qz_stats, live, 0, 8)                      \
    MEMBER(qz_stats, pending, 8, 8)                   \
    MEMBER(qz_stats, kinds, 16, 8)                    \
    MEMBER(qz_stats, retired, 24, 8)                  \
    MEMBER(qz_stats, opened, 32, 8)                   \
    MEMBER(qz_stats, freed, 40, 8)                    \
    MEMBER(qz_stats, drains, 48, 8)                   \
    MEMBER(qz_stats, barriers, 56, 8)                 \
    MEMBER(qz_stats, refused_null, 64, 8)             \
    MEMBER(qz_stats, refused_bad_handle, 72, 8)       \
    MEMBER(qz_stats, refused_wrong_kind, 80, 8)       \
    MEMBER(qz_stats, refused_freed, 88, 8)            \
    MEMBER(qz_stats, refused_forked, 96, 8)           \
    MEMBER(qz_stats, refused_busy, 104, 8)            \
    MEMBER(qz_stats, refused_other, 112, 8)           \
    MEMBER(qz_stats, double_free, 120, 8)             \
    MEMBER(qz_stats, stale, 128, 8)                   \
    MEMBER(qz_stats, wrong_kind, 136, 8)              \
    MEMBER(qz_stats, not_inside, 144, 8)              \
    STRUCTURE(qz_mutex_stats, 72)                     \
    MEMBER(qz_mutex_stats, acquisitions, 0, 8)        \
    MEMBER(qz_mutex_stats, contended, 8, 8)           \
    MEMBER(qz_mutex_stats, wait_total_ns, 16, 8)      \
    MEMBER(qz_mutex_stats, wait_max_ns, 24, 8)        \
    MEMBER(qz_mutex_stats, hold_total_ns, 32, 8)      \
    MEMBER(qz_mutex_stats, hold_max_ns, 40, 8)        \
    MEMBER(qz_mutex_stats, held_for_ns, 48, 8)        \
    MEMBER(qz_mutex_stats, holder, 56, 8)             \
    MEMBER(qz_mutex_stats, waiters, 64, 4)            \
    MEMBER(qz_mutex_stats, is_held, 68, 4)            \
    STRUCTURE(qz_filelock_holder_info, 112)           \
    MEMBER(qz_filelock_holder_info, process, 0, 8)    \
    MEMBER(qz_filelock_holder_info, since, 8, 8)      \
    MEMBER(qz_filelock_holder_info, program, 16, 16)  \
    MEMBER(qz_filelock_holder_info, host, 32, 72)     \
    MEMBER(qz_filelock_holder_info, mode, 104, 4)     \
    MEMBER(qz_filelock_holder_info, reserved, 108, 4) \
    STRUCTURE(qz_completion, 32)                      \
    MEMBER(qz_completion, user_data, 0, 8)            \
    MEMBER(qz_completion, hold, 8, 8)                 \
    MEMBER(qz_completion, value, 16, 8)               \
    MEMBER(qz_completion, status, 24, 4)              \
    MEMBER(qz_completion, os_error, 28, 4)            \
    STRUCTURE(qz_pool_ops, 48)                        \
    MEMBER(qz_pool_ops, struct_size, 0, 8)            \
    MEMBER(qz_pool_ops, create, 8, 8)                 \
    MEMBER(qz_pool_ops, check, 16, 8)                 \
    MEMBER(qz_pool_ops, recycle, 24, 8)               \
    MEMBER(qz_pool_ops, destroy, 32, 8)               \
    MEMBER(qz_pool_ops, ctx, 40, 8)                   \
    STRUCTURE(qz_pool_config, 56)                     \
    MEMBER(qz_pool_config, struct_size, 0, 8)         \
    MEMBER(qz_pool_config, min_size, 8, 4)            \
    MEMBER(qz_pool_config, max_size, 12, 4)           \
    MEMBER(qz_pool_config, max_idle, 16, 4)           \
    MEMBER(qz_pool_config, reserved, 20, 4)           \
    MEMBER(qz_pool_config, wait_timeout_ms, 24, 8)    \
    MEMBER(qz_pool_config, create_timeout_ms, 32, 8)  \
    MEMBER(qz_pool_config, idle_timeout_ms, 40, 8)    \
    MEMBER(qz_pool_config, max_lifetime_ms, 48, 8)    \
    STRUCTURE(qz_pool_stats, 144)                     \
    MEMBER(qz_pool_stats, size, 0, 8)                 \
    MEMBER(qz_pool_stats, idle, 8, 8)                 \
    MEMBER(qz_pool_stats, in_use, 16, 8)              \
    MEMBER(qz_pool_stats, creating, 24, 8)            \
    MEMBER(qz_pool_stats, leaving, 32, 8)             \
    MEMBER(qz_pool_stats, waiting, 40, 8)             \
    MEMBER(qz_pool_stats, acquired, 48, 8)            \
    MEMBER(qz_pool_stats, created, 56, 8)             \
    MEMBER(qz_pool_stats, not_created, 64, 8)         \
    MEMBER(qz_pool_stats, detached, 72, 8)            \
    MEMBER(qz_pool_stats, destroyed_idle, 80, 8)      \
    MEMBER(qz_pool_stats, destroyed_expired, 88, 8)   \
    MEMBER(qz_pool_stats, destroyed_unhealthy, 96, 8) \
    MEMBER(qz_pool_stats, destroyed_closing, 104, 8)  \
    MEMBER(qz_pool_stats, destroyed_surplus, 112, 8)  \
    MEMBER(qz_pool_stats, waits, 120, 8)              \
    MEMBER(qz_pool_stats, wait_total_ns, 128, 8)      \
    MEMBER(qz_pool_stats, wait_max_ns, 136, 8)

#define ASSERT_STRUCTURE(structure, bytes) ASSERT_LAYOUT(sizeof(structure) == (bytes));
#define ASSERT_MEMBER(structure, member, at, bytes)     \
    ASSERT_LAYOUT(offsetof(structure, member) == (at)); \
    ASSERT_LAYOUT(sizeof(((structure *)0)->member) == (bytes));

LAYOUT(ASSERT_STRUCTURE, ASSERT_MEMBER)

ASSERT_LAYOUT(sizeof(qz_status) == 4); /* int: what ctypes and other languages take it for */
ASSERT_LAYOUT(sizeof(qz_state) == 4);
ASSERT_LAYOUT(QZ_MISUSE_DOUBLE_FREE == 1 && QZ_MISUSE_NOT_INSIDE == 4 && QZ_MISUSE_IGNORE == 0 && QZ_MISUSE_ABORT == 2);
ASSERT_LAYOUT(QZ_POOL_IDLE == 0 && QZ_POOL_SURPLUS == 4 && QZ_POOL_FAIL == 0 && QZ_POOL_REQUIRE_MINIMUM == 2);
ASSERT_LAYOUT(QZ_READABLE == 1 && QZ_WRITABLE == 2 && QZ_HANGUP == 4);
ASSERT_LAYOUT(QZ_OK == 0 && QZ_FREE_PENDING == 1 && QZ_ALREADY_FREED == 2 && QZ_ERR_NULL == -1 &&
              QZ_ERR_NOT_INSIDE == -16);

#endif
