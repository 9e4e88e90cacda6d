# cmake --install puts the library, headers, the command and a pkg-config file in place.
if(PU_KERNEL_ONLY)
    return()
endif()
configure_file(cmake/plusultra.pc.in plusultra.pc @ONLY)
install(TARGETS plusultra pu_engine plusultra_cli)
install(DIRECTORY include/plusultra DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_BINARY_DIR}/plusultra.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
