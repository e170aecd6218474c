/* make_database FILE: the seed of fuzz_database. */
#include "use_database.h"

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    make_database(argv[1]);
    return 0;
}
