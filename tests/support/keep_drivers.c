/* Preloaded where leaks are looked for: what a driver leaks is still recognised as the driver's when the program ends,
 * since the driver is still mapped then. */
int dlclose(void *handle);

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
