import os

from spack.package import *

# The clone that this recipe lies in is what it builds.
CLONE = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4))


class Spanbench(CMakePackage, CudaPackage):
    """Accuracy and latency of attention methods on long contexts, measured under MPI."""

    # From a clone: spack repo add slurm/spack && spack install spanbench
    homepage = f"file://{CLONE}/README.md"
    git = f"file://{CLONE}"

    license("MIT")

    version("main", branch="main")

    variant("nccl", default=True, when="+cuda", description="NCCL between GPUs, opened at run time")
    variant("plots", default=True, description="gnuplot, for the plots of reports")

    depends_on("c", type="build")
    depends_on("cxx", type="build", when="+cuda")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi")
    depends_on("sqlite@3.37:")
    depends_on("libyaml")
    depends_on("jansson")
    depends_on("openssl")
    depends_on("xxhash")
    depends_on("pcre2")
    depends_on("utf8proc")
    depends_on("libcsv")
    depends_on("openblas", type="run")
    depends_on("gnuplot@5.4:", type="run", when="+plots")
    depends_on("cuda@12.3:", when="+cuda")
    depends_on("nccl@2.18:", when="+nccl")

    def cmake_args(self):
        args = [
            self.define_from_variant("SPAN_CUDA", "cuda"),
            self.define("SPAN_TESTS", self.run_tests),
        ]
        if self.spec.satisfies("+cuda"):
            args.append(self.define_from_variant("SPAN_NCCL", "nccl"))
        return args
