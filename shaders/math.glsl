// Elementary functions to about one unit in the last place. Vulkan lets a driver's exp err by 3 + 2|x| ulp and has no erf, and
// the error of an explanation comes mostly from the forward pass, so these are our own. Coefficients: Cephes (Moshier), single
// precision.

// By its bits: a driver may take comparisons, min and max as if there were no NaN, and min(NaN, 88) as 88.
bool is_nan(float x)
{
    return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u;
}

// NaN stays NaN, here and below, so that it is noticed.
float relu(float x)
{
    return is_nan(x) ? x : max(x, 0.0);
}

// The nearest whole number, and 2 to it. Today's lavapipe converts to int one thread after the other: its kernels define WIDE and take the
// number from the last bits of a sum.
#ifdef WIDE
const float last_bits = 12582912.0; // 1.5 * 2^23

float nearest(float x)
{
    precise float shifted = x + last_bits;
    precise float n = shifted - last_bits;
    return n;
}

float power_of_two(float n)
{
    return uintBitsToFloat((floatBitsToUint(n + last_bits) - floatBitsToUint(last_bits) + 127) << 23);
}
#else
float nearest(float x)
{
    return floor(x + 0.5);
}

float power_of_two(float n)
{
    return uintBitsToFloat(uint(int(n) + 127) << 23);
}
#endif

float exp_accurate(float x)
{
    if (is_nan(x))
        return x;
    if (x < -87.0)
        return 0.0;
    x = min(x, 88.0);
    precise float n = nearest(x * 1.44269504088896341);
    precise float r = fma(n, -0.693359375, x); // ln 2 in two parts
    r = fma(n, 2.12194440e-4, r);
    float p = 1.9875691500e-4;
    p = fma(p, r, 1.3981999507e-3);
    p = fma(p, r, 8.3334519073e-3);
    p = fma(p, r, 4.1665795894e-2);
    p = fma(p, r, 1.6666665459e-1);
    p = fma(p, r, 5.0000001201e-1);
    float y = fma(p, r * r, r) + 1.0;
    return y * power_of_two(n);
}

// 1 - erf(a) for a >= 1
float erfc_tail(float a)
{
    float q = 1.0 / a, y = q * q, p;
    if (a < 2.0) {
        p = 2.326819970068386e-2;
        p = fma(p, y, -1.387039388740657e-1);
        p = fma(p, y, 3.687424674597105e-1);
        p = fma(p, y, -5.824733027278666e-1);
        p = fma(p, y, 6.210004621745983e-1);
        p = fma(p, y, -4.944515323274145e-1);
        p = fma(p, y, 3.404879937665872e-1);
        p = fma(p, y, -2.741127028184656e-1);
        p = fma(p, y, 5.638259427386472e-1);
    } else {
        p = -1.047766399936249e+1;
        p = fma(p, y, 1.297719955372516e+1);
        p = fma(p, y, -7.495518717768503);
        p = fma(p, y, 2.921019019210786);
        p = fma(p, y, -1.015265279202700);
        p = fma(p, y, 4.218463358204948e-1);
        p = fma(p, y, -2.820767439740514e-1);
        p = fma(p, y, 5.641895067754075e-1);
    }
    return exp_accurate(-a * a) * q * p;
}

// (1 + erf(x / sqrt 2)) / 2, the normal distribution function, without cancellation for negative x
float normal_cdf(float x)
{
    float u = x * 0.70710678118654752, a = abs(u);
    if (a >= 1.0) {
        float tail = 0.5 * erfc_tail(a);
        return u < 0.0 ? tail : 1.0 - tail;
    }
    float z = u * u;
    float p = 7.853861353153693e-5;
    p = fma(p, z, -8.010193625184903e-4);
    p = fma(p, z, 5.188327685732524e-3);
    p = fma(p, z, -2.685381193529856e-2);
    p = fma(p, z, 1.128358514861418e-1);
    p = fma(p, z, -3.761262582423300e-1);
    p = fma(p, z, 1.128379165726710);
    return fma(0.5, u * p, 0.5);
}

float sigmoid(float x)
{
    float e = exp_accurate(-abs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}
