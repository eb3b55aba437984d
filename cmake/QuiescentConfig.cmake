# find_package(Quiescent CONFIG REQUIRED), then link with one of
#
#   Quiescent::quiescent           the shared library
#   Quiescent::quiescent_static    the static one, and what it needs itself
#
# It lies in lib/cmake/Quiescent, and finds everything from there: the tree it is installed in may be moved.

get_filename_component(_quiescent_prefix "${CMAKE_CURRENT_LIST_DIR}" REALPATH) # /lib may be a link to /usr/lib
get_filename_component(_quiescent_prefix "${_quiescent_prefix}/../../.." ABSOLUTE)
set(_quiescent_header "${_quiescent_prefix}/include/quiescent.h")
foreach(_quiescent_dir "lib/${CMAKE_LIBRARY_ARCHITECTURE}" lib64 lib)
  set(_quiescent_libdir "${_quiescent_prefix}/${_quiescent_dir}")
  if(EXISTS "${_quiescent_libdir}/pkgconfig/quiescent.pc")
    break()
  endif()
endforeach()

if(EXISTS "${_quiescent_libdir}/libquiescent.so" AND NOT TARGET Quiescent::quiescent)
  file(STRINGS "${_quiescent_header}" _quiescent_abi REGEX "^#define QZ_ABI_VERSION ")
  string(REGEX MATCH "[0-9]+$" _quiescent_abi "${_quiescent_abi}")
  add_library(Quiescent::quiescent SHARED IMPORTED)
  set_target_properties(Quiescent::quiescent PROPERTIES
    IMPORTED_LOCATION "${_quiescent_libdir}/libquiescent.so"
    IMPORTED_SONAME "libquiescent.so.${_quiescent_abi}"
    INTERFACE_INCLUDE_DIRECTORIES "${_quiescent_prefix}/include")
endif()

if(EXISTS "${_quiescent_libdir}/libquiescent.a" AND NOT TARGET Quiescent::quiescent_static)
  # The libraries that it needs are listed in one place, pkg-config's file.
  file(STRINGS "${_quiescent_libdir}/pkgconfig/quiescent.pc" _quiescent_private REGEX "^Libs.private:")
  string(REGEX MATCHALL "-l[^ ]+" _quiescent_private "${_quiescent_private}")
  add_library(Quiescent::quiescent_static STATIC IMPORTED)
  set_target_properties(Quiescent::quiescent_static PROPERTIES
    IMPORTED_LOCATION "${_quiescent_libdir}/libquiescent.a"
    INTERFACE_LINK_LIBRARIES "${_quiescent_private}"
    INTERFACE_INCLUDE_DIRECTORIES "${_quiescent_prefix}/include")
endif()

if(NOT TARGET Quiescent::quiescent AND NOT TARGET Quiescent::quiescent_static)
  set(${CMAKE_FIND_PACKAGE_NAME}_FOUND FALSE)
  set(${CMAKE_FIND_PACKAGE_NAME}_NOT_FOUND_MESSAGE "There is no libquiescent.so and no libquiescent.a below ${_quiescent_prefix}.")
endif()
