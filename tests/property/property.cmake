# tests of property
