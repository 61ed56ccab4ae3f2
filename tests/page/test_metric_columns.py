from vjax.audio.metric_names import BY_NAME, METRICS, TRAITS
from vjax.page.metric_columns import SHOWN, metric_columns


def test_metric_columns_have_a_label_for_each_metric_and_trait():
    columns = {column["key"]: column for column in metric_columns()}
    assert tuple(columns) == SHOWN == (*METRICS, *TRAITS)
    assert columns["mss"] == {
        "key": "mss", "label": "MSS", "unit": "dB", "digits": 2, "higher": False, "trait": False,
    }  # fmt: skip
    assert columns["rms_cosine"]["higher"]
    assert columns["pitch"]["trait"]
    assert len({column["label"] for column in columns.values()}) == len(columns)


def test_metric_headings_fit_their_columns():
    assert max(len(metric.column) for metric in BY_NAME.values()) <= 15
