// What the kernels need of the language, without a CUDA toolkit: attributes, special registers, a barrier.
#pragma once
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define KERNEL extern "C" __attribute__((global)) void
#define SHARED __attribute__((shared))
#define DEVICE static __attribute__((device)) __attribute__((always_inline)) inline
#define UNROLL _Pragma("unroll")
#define NO_UNROLL _Pragma("unroll 1")

DEVICE u32 thread_index() { u32 r; asm("mov.u32 %0, %%tid.x;" : "=r"(r)); return r; }
DEVICE u32 block_threads() { u32 r; asm("mov.u32 %0, %%ntid.x;" : "=r"(r)); return r; }
DEVICE u32 block_index() { u32 r; asm("mov.u32 %0, %%ctaid.x;" : "=r"(r)); return r; }
DEVICE u32 block_count() { u32 r; asm("mov.u32 %0, %%nctaid.x;" : "=r"(r)); return r; }
DEVICE u32 clock_cycles() { u32 r; asm volatile("mov.u32 %0, %%clock;" : "=r"(r) : : "memory"); return r; }
DEVICE void barrier() { asm volatile("bar.sync 0;" ::: "memory"); }
