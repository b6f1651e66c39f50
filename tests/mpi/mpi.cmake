# tests of mpi
