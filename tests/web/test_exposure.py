"""Tests of what is printed about who can reach the page."""

import pytest

from vjax.web.exposure import exposure_text, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_is_loopback_of_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_is_loopback_of_an_address_that_others_reach_is_false(host):
    assert not is_loopback(host)


def test_exposure_text_says_who_can_use_the_page():
    assert "anyone who can reach 0.0.0.0" in exposure_text("0.0.0.0", share=False)
    assert "no password" in exposure_text("0.0.0.0", share=False)
    assert "a server of Gradio" in exposure_text("127.0.0.1", share=True)
