from plumbline.cli.output.results_table import label_text, results_table
from plumbline_client.states import JobState
from tests.results import result


def test_row_has_the_text_or_the_reason() -> None:
    unscored = {"label": None, "confidence": None, "decision": None}
    rejected = result(1, state=JobState.REJECTED, error="the text is empty", text="", **unscored)
    table = results_table([result(0), rejected])
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    assert cells[3] == ["scored", "rejected"]
    assert cells[4] == ["ham", ""]
    assert cells[5] == ["75%", ""]
    assert cells[6] == ['a "b",\\nc', "the text is empty"]


def test_label_of_an_unsure_prediction_is_marked_for_review() -> None:
    assert str(label_text(result(decision="review"))) == "review (ham)"
    unread = result(decision="review", notes=["mostly_unread"])
    assert str(label_text(unread)) == "review (ham, unread)"
    assert str(label_text(result(decision="negative"))) == "ham"
