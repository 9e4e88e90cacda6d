typedef int pu__unused_unit;
