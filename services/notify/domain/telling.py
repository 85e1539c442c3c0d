"""Words that would tell what a sensitive service is about. Pure.

A neutral wording may have none of them, in any language and on any channel: a template that does is refused when the
service starts. They are the departments, the matters and the kinds of place, whole or as the part that gives it away.
"""

TELLING: tuple[str, ...] = (
    *(
        "生育",
        "生殖",
        "不孕",
        "不育",
        "备孕",
        "怀孕",
        "避孕",
        "优生",
        "遗传",
        "妇科",
        "产科",
        "男科",
        "妇产",
        "妇女",
        "妇幼",
    ),
    *("儿童", "心理", "精神", "助考", "睡眠", "中医", "门诊", "诊", "医", "科", "检查", "检验", "抽血", "体检", "化验"),
    *("评估", "失能", "困难", "低保", "特困", "养老", "残疾", "上门", "夫妇", "夫妻", "配偶", "空腹", "临床"),
    *("fertil", "reproduc", "gynaec", "gynec", "obstetr", "androl", "genetic", "pregnan", "women", "children"),
    *("psycho", "psychi", "counsel", "mental", "sleep", "clinic", "hospital", "medic", "doctor", "health", "patient"),
    *("department", "examin", "blood", "fasting", "assess", "disab", "difficult", "poverty", "allowance", "couple"),
    *("hepatolog", "neurolog", "cardiolog", "orthop", "surger", "paediatr", "geriatr", "ultrasound", "infectious"),
    *("spouse", "husband", "wife", "centre", "center", "home visit"),
)


def telling(text: str) -> list[str]:
    """Return the words in `text` that would tell."""
    lower = text.lower()
    return [word for word in TELLING if word in lower]
