# The library and the command line. Sources are globbed: a new file in the right folder is part of the build.
file(GLOB_RECURSE PU_KERNEL_C CONFIGURE_DEPENDS kernels/*.c)
file(GLOB_RECURSE PU_KERNEL_CU CONFIGURE_DEPENDS kernels/*.cu)
file(GLOB_RECURSE PU_ENGINE_C CONFIGURE_DEPENDS host/base/*.c host/graph/*.c host/device/*.c)
list(FILTER PU_ENGINE_C EXCLUDE REGEX "host/device/cuda/")
file(GLOB PU_DEVICE_CUDA_C CONFIGURE_DEPENDS host/device/cuda/*.c)
file(GLOB_RECURSE PU_HOST_C CONFIGURE_DEPENDS host/config/*.c host/data/*.c host/model/*.c host/train/*.c host/sim/*.c host/eval/*.c)
file(GLOB_RECURSE PU_CLI_C CONFIGURE_DEPENDS host/cli/*.c)

# What GPU-less parts and the kernel-only build share.
add_library(pu_engine STATIC ${PU_KERNEL_C} ${PU_ENGINE_C})
target_include_directories(pu_engine PUBLIC ${CMAKE_SOURCE_DIR} $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>)
target_link_libraries(pu_engine PUBLIC Threads::Threads m)
if(PU_DNNL)
    target_compile_definitions(pu_engine PRIVATE PU_WITH_ONEDNN=1)
    target_include_directories(pu_engine PRIVATE ${PU_DNNL_INCLUDE})
    target_link_libraries(pu_engine PUBLIC ${PU_DNNL})
endif()
# The CPU kernels are compiled for several instruction sets inside their files (target_clones); -O3 lets their loops vectorise.
set_source_files_properties(${PU_KERNEL_C} PROPERTIES COMPILE_OPTIONS "-O3")

if(PU_HAVE_CUDA)
    target_sources(pu_engine PRIVATE ${PU_KERNEL_CU} ${PU_DEVICE_CUDA_C})
    target_compile_definitions(pu_engine PRIVATE PU_WITH_CUDA=1)
    target_link_libraries(pu_engine PUBLIC CUDA::cudart_static CUDA::cublasLt)
endif()

if(NOT PU_KERNEL_ONLY)
    add_library(plusultra STATIC ${PU_HOST_C})
    target_link_libraries(plusultra PUBLIC pu_engine PkgConfig::PU_LIBS)
    add_executable(plusultra_cli ${PU_CLI_C})
    set_target_properties(plusultra_cli PROPERTIES OUTPUT_NAME plusultra)
    target_link_libraries(plusultra_cli PRIVATE plusultra)
endif()
