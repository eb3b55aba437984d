// The ready-made kinds, as the free table sees them: how to make one, how to keep its free waiting, how to free it.
#ifndef READY_MADE_HPP
#define READY_MADE_HPP
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <unistd.h>

#include "quiescent.h"

struct ReadyMade {
    std::function<qz_status(qz_handle **)> make;
    std::function<qz_status(qz_handle *, qz_hold **)> take; // empty: nothing of it can be held
    std::function<qz_status(qz_handle *, std::int64_t)> end;
};

// What makes, takes and frees a `T`, for handles of whatever type.
template <class T> ReadyMade ready_made(std::function<qz_status(T **)> make, qz_status (*end)(T *, std::int64_t),
                                        std::function<qz_status(T *, qz_hold **)> take = {}) {
    ReadyMade kind;
    kind.make = [make](qz_handle **out) {
        T *made = nullptr;
        qz_status got = make(&made);
        *out = QZ_HANDLE(made);
        return got;
    };
    if (take) kind.take = [take](qz_handle *h, qz_hold **hold) { return take(reinterpret_cast<T *>(h), hold); };
    kind.end = [end](qz_handle *h, std::int64_t ms) { return end(reinterpret_cast<T *>(h), ms); };
    return kind;
}

// By the name of the subject; qz_<name>_free ends it.
inline const std::map<std::string, ReadyMade> &ready_mades() {
    static const std::map<std::string, ReadyMade> all = {
        {"cancel", ready_made<qz_cancel>(qz_cancel_new, qz_cancel_free)},
        {"mutex", ready_made<qz_mutex>(qz_mutex_new, qz_mutex_free,
                                       [](qz_mutex *m, qz_hold **hold) { return qz_mutex_lock(m, 0, nullptr, hold); })},
        {"rwlock", ready_made<qz_rwlock>(qz_rwlock_new, qz_rwlock_free,
                                         [](qz_rwlock *l, qz_hold **hold) { return qz_rwlock_read(l, 0, nullptr, hold); })},
        {"filelock", ready_made<qz_filelock>(
                         [](qz_filelock **out) {
                             static const std::string path =
                                 "/tmp/quiescent-free-table-" + std::to_string(getpid()) + ".lock";
                             static const int at_end = std::atexit([] { std::remove(path.c_str()); });
                             (void)at_end;
                             return qz_filelock_open(path.c_str(), 0, out);
                         },
                         qz_filelock_free,
                         [](qz_filelock *l, qz_hold **hold) {
                             return qz_filelock_try_acquire(l, QZ_FILELOCK_EXCLUSIVE, hold);
                         })},
        {"barrier", ready_made<qz_barrier>([](qz_barrier **out) { return qz_barrier_new(2, out); }, qz_barrier_free)},
        {"notify", ready_made<qz_notify>(qz_notify_new, qz_notify_free)},
        {"backend", ready_made<qz_backend>([](qz_backend **out) { return qz_backend_new(nullptr, nullptr, out); },
                                           qz_backend_free)},
        {"once", ready_made<qz_once>( // with a value, which can be held
                     [](qz_once **out) {
                         qz_status made = qz_once_new(nullptr, nullptr, out);
                         return made == QZ_OK ? qz_once_set(*out, out) : made;
                     },
                     qz_once_free,
                     [](qz_once *o, qz_hold **hold) {
                         void *value = nullptr;
                         return qz_once_hold(o, &value, hold);
                     })},
        {"pool", ready_made<qz_pool>(
                     [](qz_pool **out) {
                         qz_pool_ops ops{};
                         ops.struct_size = sizeof ops;
                         ops.create = [](std::int64_t, void *ctx, void **resource) -> std::int32_t {
                             *resource = ctx;
                             return QZ_OK;
                         };
                         qz_pool_config config{};
                         config.struct_size = sizeof config;
                         config.max_size = 1;
                         return qz_pool_new(&ops, &config, out);
                     },
                     qz_pool_free,
                     [](qz_pool *p, qz_hold **hold) {
                         void *resource = nullptr;
                         return qz_pool_acquire(p, 1000, nullptr, &resource, hold);
                     })},
        {"semaphore", ready_made<qz_semaphore>(
                          [](qz_semaphore **out) { return qz_semaphore_new(1, 1, out); }, qz_semaphore_free,
                          [](qz_semaphore *s, qz_hold **hold) { return qz_semaphore_acquire(s, 1, 0, nullptr, hold); })},
    };
    return all;
}

#endif
