// What the header allocates with can fail here, one thread at a time. All of new and delete, in a unit of their own: a
// sanitizer's runtime brings all or none, and compilers warn where they see a new of one kind and a delete of another.
#include "hpp_check.hpp"

bool &out_of_memory() {
    static thread_local bool is = false;
    return is;
}

void *operator new(std::size_t size) {
    void *memory = std::malloc(size > 0 ? size : 1);
    if (!memory) std::abort();
    return memory;
}
void *operator new[](std::size_t size) { return ::operator new(size); }
void *operator new(std::size_t size, const std::nothrow_t &) noexcept {
    return out_of_memory() ? nullptr : ::operator new(size);
}
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept {
    return out_of_memory() ? nullptr : ::operator new(size);
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete[](void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void *memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void *memory, const std::nothrow_t &) noexcept { std::free(memory); }
void operator delete[](void *memory, const std::nothrow_t &) noexcept { std::free(memory); }
