// Freeing many handles within one deadline. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

namespace detail {

template <class C, qz_status (*Free)(C *, std::int64_t)> qz_handle *handle_of(const token<C, Free> &t) noexcept {
    return QZ_HANDLE(t.get());
}
inline qz_handle *handle_of(qz_handle *h) noexcept { return h; }

} // namespace detail

// Closes all from `first` to `last` before it waits for any of them: handles of one class, or qz_handle * of several.
// QZ_OK: all are destroyed. QZ_FREE_PENDING: some are pending. `out_status` has room for the status of each, or is NULL.
template <class Iterator>
result<qz_status> free_many(std::nothrow_t, Iterator first, Iterator last, timeout t = default_timeout,
                            qz_status *out_status = nullptr) noexcept {
    std::size_t n = 0;
    for (Iterator each = first; each != last; ++each) ++n;
    std::unique_ptr<qz_handle *[]> all(new (std::nothrow) qz_handle *[n]);
    if (!all) return failure(QZ_ERR_NO_MEMORY, "no memory for the list of handles");
    for (std::size_t i = 0; i < n; ++i, ++first) all[i] = detail::handle_of(*first);
    return detail::answered(qz_handle_free_many(all.get(), n, t.count(), out_status));
}
#if QZ_HPP_EXCEPTIONS
template <class Iterator>
qz_status free_many(Iterator first, Iterator last, timeout t = default_timeout, qz_status *out_status = nullptr) {
    return free_many(std::nothrow, first, last, t, out_status).value();
}
#endif

QZ_HPP_END
