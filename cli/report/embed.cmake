# cmake -D IN=FILE -D OUT=FILE.inc -P embed.cmake: a file's bytes as what goes between the braces of a C array, a NUL behind them.
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "((0x..,){32})" "\\1\n" lines "${bytes}")
file(WRITE ${OUT} "${lines}0x00\n")
