# tests of oracle
