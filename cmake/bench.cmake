# Every bench/{kernels,system}/bench_*.c is one executable of that name. None of them is a test.
foreach(folder kernels system)
    if(folder STREQUAL "system" AND PU_KERNEL_ONLY)
        continue()
    endif()
    file(GLOB sources CONFIGURE_DEPENDS bench/${folder}/bench_*.c)
    foreach(source ${sources})
        get_filename_component(name ${source} NAME_WE)
        add_executable(${name} ${source})
        target_link_libraries(${name} PRIVATE $<IF:$<TARGET_EXISTS:plusultra>,plusultra,pu_engine>)
    endforeach()
endforeach()

# The matrix product's peer, where it is installed (libdnnl-dev); nothing else uses it.
find_library(PU_DNNL dnnl)
find_path(PU_DNNL_INCLUDE dnnl.h)
if(PU_DNNL AND PU_DNNL_INCLUDE)
    target_compile_definitions(bench_matrix PRIVATE PU_BENCH_ONEDNN=1)
    target_include_directories(bench_matrix PRIVATE ${PU_DNNL_INCLUDE})
    target_link_libraries(bench_matrix PRIVATE ${PU_DNNL})
endif()

# The floor under simulated paths is compiled into the benchmark, for the machine that runs it and as the kernels are.
target_compile_options(bench_paths PRIVATE -O3 -march=native -fno-trapping-math $<$<BOOL:${PU_ISA_avx512}>:-mprefer-vector-width=512>)
