# The pipeline as the daemon runs it, without what lies around it: no kernel, no gRPC.
find_package(yaml-cpp REQUIRED)
foreach(room correlate policy act)
    if(NOT TARGET pinwarden_${room})
        add_subdirectory(${CMAKE_SOURCE_DIR}/daemon/${room} ${CMAKE_BINARY_DIR}/daemon/${room})
    endif()
endforeach()
file(GLOB engine_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/daemon/app/engine*.cpp)
add_library(pinwarden_bench_engine STATIC ${engine_sources} ${CMAKE_SOURCE_DIR}/daemon/app/losses.cpp
            ${CMAKE_SOURCE_DIR}/daemon/app/owner_check.cpp ${CMAKE_SOURCE_DIR}/daemon/app/policy_origins.cpp
            ${CMAKE_SOURCE_DIR}/daemon/app/views.cpp ${CMAKE_SOURCE_DIR}/daemon/publish/fanout.cpp
            ${CMAKE_SOURCE_DIR}/daemon/publish/snapshot.cpp)
target_compile_definitions(pinwarden_bench_engine PRIVATE PINWARDEN_VERSION="${PROJECT_VERSION}")
target_link_libraries(pinwarden_bench_engine PUBLIC pinwarden_act PRIVATE pinwarden_flags)

target_sources(pinwarden_pipeline_bench PRIVATE engine_bench.cpp record_stream.cpp snapshot_bench.cpp)
target_link_libraries(pinwarden_pipeline_bench PRIVATE pinwarden_bench_engine)
