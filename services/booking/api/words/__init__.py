"""The words of the API in zh-CN and English: problems by reason, codes that stand in sentences, facts and their meaning."""
