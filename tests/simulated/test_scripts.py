"""Values in any script: named, written about, filtered and kept by the simulated models, each under its own name."""

import asyncio
import unicodedata
from pathlib import Path

import pytest

from conflictscope.models import CallStore, Models, load_registry
from conflictscope.scenarios import apply_filter, check_scenarios, load_value_set, write_outlines, write_scenarios

SET = """
name: Scripts
values:
  ईमानदारी: सच कहना और किसी को गुमराह न करना
  நேர்மை: எல்லோரையும் ஒரே அளவுகோலால் நடத்துவது
  诚实: 说真话，不误导他人
  善良: 照顾他人的感受，不造成不必要的痛苦
  ความเป็นส่วนตัว: เก็บเรื่องส่วนตัวของผู้อื่นไว้เป็นความลับ
  Égalité: traiter toutes les personnes de la même façon
pairs: {each: 2}
"""
PARAMS = Path(__file__).parents[2] / "params"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_value_set_in_six_scripts_is_written_about_and_kept(tmp_path, form):
    (tmp_path / "scripts.yaml").write_text(unicodedata.normalize(form, SET), encoding="utf-8")
    values = load_value_set(tmp_path / "scripts.yaml")
    assert {"诚实", "善良", "Égalité", "ईमानदारी"} <= set(values.names) and len(set(values.names)) == 6
    models = Models(load_registry(PARAMS / "models.yaml"), CallStore(f"sqlite:///{tmp_path}/calls.sqlite"))

    async def run():
        outlines, _ = await write_outlines(values, models, "simulated/author", outlines_per_pair=4)
        written, _ = await write_scenarios(outlines.assign(kept=True), values, models, "simulated/author")
        checks = await check_scenarios(written, values, models, "simulated/filter_judge", seed=0)
        await models.close()
        return apply_filter(written, checks)

    decided = asyncio.run(run()).reset_index()
    assert len(decided) == 24 and decided["filter_status"].eq("kept").sum() > 12
