import numpy as np

from vjax.candidates.patch.tables import solve


def test_solve_lines_that_the_filter_shuts_do_not_fill_the_table():
    """What a low-pass leaves of the noise of a recording would make the table loud where no one hears it."""
    gains = np.repeat([[1.0, 1.0, 0.1, 1e-10, 1e-12]], 20, 0)
    powers = np.repeat([[1.0, 0.5, 0.01, 1e-9, 1e-9]], 20, 0)
    for frames in (1, 4):
        spectra = solve(powers, gains, np.full((20, frames), 1 / frames))
        np.testing.assert_allclose(spectra[:, :3], [[1.0, 0.5, 0.1]] * frames, rtol=0.01)
        assert spectra[:, 3:].max() < 1e-3
