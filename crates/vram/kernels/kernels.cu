// Everything that runs on an NVIDIA GPU, as one module. kernels.ptx is made of this by scripts/kernels.mjs.
#include "tiles.cuh"
#include "latency.cuh"
